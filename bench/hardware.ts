import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, totalmem } from 'node:os'

/** One line about the machine, so that a figure is never quoted without it. */
export function hardware(): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  return `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, ${gigabytes} GiB, Node ${process.versions.node}, ${process.platform}-${process.arch}`
}

/** Short hash of the checked-out commit, `+` when the tree differs from it; `unknown` outside a repository. */
export function commit(): string {
  try {
    const hash = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], { encoding: 'utf8' }).trim() !== ''
    return changed ? `${hash}+` : hash
  } catch {
    return 'unknown'
  }
}
