import { InvalidArgumentError } from 'commander'

/** @returns a parser for commander: whole numbers from `least` to `most`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    throw new InvalidArgumentError(most === Number.MAX_SAFE_INTEGER ? `It must be a whole number of at least ${least}.` : `It must be a whole number from ${least} to ${most}.`)
  }
}

/** For commander. */
export function versionOfRun(text: string): number | 'best' {
  if (text === 'best') return text
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be the number of a version, or best.')
}
