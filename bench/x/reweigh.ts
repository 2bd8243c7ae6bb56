import { readFileSync } from 'node:fs'
import { measuredTasks } from '../tasks/measured-tasks.ts'
import { heldOutDraws, gain, scoreEstimate } from '../tasks/held-out-scores.ts'
import { heldOutTasks } from '#trainer/evaluation/greedy-success.ts'
const read = (f: string) => { const r = JSON.parse(readFileSync(`/work/fresh8/bench-results/tasks/${f}.json`, 'utf8')).result; return r.after ?? r }
for (const task of measuredTasks().slice(0, 3)) for (const s of task.settings) {
  const index = new Map(heldOutTasks(s.environment, 1024).map((t, i) => [JSON.stringify(t), i]))
  const draws = heldOutDraws(s.environment, 1024).map(t => index.get(JSON.stringify(t))!)
  const before = read(`${task.name}-before`)[s.label]
  for (const seed of [1, 2, 3]) { try { const after = read(`${task.name}-${seed}`)[s.label]
    const b = draws.map(d => before[d]), a = draws.map(d => after[d])
    console.log(s.label, seed, new Set(draws).size, scoreEstimate(b, 'solved'), scoreEstimate(a, 'solved'), gain(b, a)) } catch (e) { console.log(s.label, seed, 'none') } }
}
