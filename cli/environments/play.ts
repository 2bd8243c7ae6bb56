import type { Environment, Split } from '#shared/environments/environment.ts'

/** Plays one task: shows what a policy is shown, and takes every line as an action. Ends with the task or with the lines. */
export async function playInTerminal(environment: Environment, { seed, split }: { readonly seed: number; readonly split: Split }, lines: AsyncIterable<string>, write: (text: string) => void): Promise<void> {
  let state = environment.start(environment.sample(seed, split))
  let total = 0
  let turns = 0
  write(`${environment.render(state)}\n`)
  for await (const action of lines) {
    const result = environment.step(state, action)
    state = result.state
    total += result.reward
    turns++
    if (!result.done) {
      write(`${environment.render(state)}\n`)
      continue
    }
    write(`\n${environment.view(state)}\n`)
    const metrics = Object.entries(result.info.metrics ?? {}).map(([name, value]) => `, ${name} ${value}`)
    write(`${result.info.success ? 'solved' : 'not solved'}: reward ${rounded(total)} after ${turns} ${turns === 1 ? 'action' : 'actions'}${metrics.join('')}\n`)
    return
  }
  write(`\n${environment.view(state)}\nstopped after ${turns} ${turns === 1 ? 'action' : 'actions'}: reward ${rounded(total)}\n`)
}

function rounded(reward: number): string {
  return String(Number(reward.toFixed(3)))
}
