/**
 * The data of server-sent events, as they come (HTML standard, section 9.2.6; the API sends `data` lines only).
 * @returns takes decoded text in whatever pieces it arrives; gives the data of the events that are whole now
 */
export function eventStreamReader(): (piece: string) => string[] {
  let rest = ''
  return piece => {
    const events = (rest + piece).split(/\r?\n\r?\n/)
    rest = events.pop()!
    return events.map(dataOf).filter(data => data !== '')
  }
}

function dataOf(event: string): string {
  return event
    .split(/\r?\n/)
    .filter(line => line.startsWith('data:'))
    .map(line => line.slice('data:'.length).replace(/^ /, ''))
    .join('\n')
}
