import { environmentNamed } from '#shared/environments/environments.ts'
const e = environmentNamed('countdown', { scratchpad: true }); const c = new Map<string, number>()
for (let d = 0; d < 20000; d++) { const k = JSON.stringify(e.sample(d, 'held-out')); c.set(k, (c.get(k) ?? 0) + 1) }
const v = [...c.values()].sort((a, b) => b - a); console.log(v.length, v.slice(0, Math.floor(v.length / 2)).reduce((a, b) => a + b, 0) / 20000)
