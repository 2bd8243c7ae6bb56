import { environmentNamed } from '#shared/environments/environments.ts'
for (const [name, options] of [['sokoban-1', { minPushes: 2, turns: 3 }], ['sokoban-2', { turns: 4 }], ['countdown', { scratchpad: true }], ['arithmetic', {}]] as const) {
  const e = environmentNamed(name, options); const seen = new Set<string>(); const at: string[] = []
  for (let d = 0; d < 4096 && seen.size < 1024; d++) { seen.add(JSON.stringify(e.sample(d, 'held-out'))); if ([256, 512, 768, 1024].includes(seen.size) && !at.some(a => a.startsWith(`${seen.size}:`))) at.push(`${seen.size}:${d + 1}`) }
  console.log(name, at.join(' '), seen.size)
}
