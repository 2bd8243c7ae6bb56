import { expect, test } from 'vitest'
import { sampleCoverage } from '../presentation/sample-run.ts'
import { breakViews, HOPS_NAMED, requestViews } from './served-requests.ts'

test('a request names the chains that worked on it in order, and how it ended', () => {
  expect(requestViews(sampleCoverage)).toEqual([
    {
      key: 'completion-18',
      chains: [
        { label: 'through', hops: ['aaaaaa: 0–1', 'cccccc: 2–3'] },
        { label: 'then through', hops: ['aaaaaa: 0–1', 'bbbbbb: 2–3'] }
      ],
      facts: ['21 tokens', 'first after 340 ms', '2.8 s so far', 'version 3'],
      end: 'running',
      endLabel: 'Running'
    },
    { key: 'completion-17', chains: [{ label: 'through', hops: ['cccccc: all layers'] }], facts: ['1 token', 'first after 95 ms', '95 ms in all', 'version 2'], end: 'stop', endLabel: 'Complete' },
    { key: 'completion-16', chains: [], facts: ['0 tokens', '10.0 s in all', 'version 2'], end: 'refused', endLabel: 'Refused' }
  ])
})

test('of a long chain the beginning and the end are named', () => {
  const chain = Array.from({ length: 36 }, (_, layer) => ({ peer: layer.toString(16).padStart(6, '0').padEnd(32, '0'), layers: { start: layer, end: layer + 1 } }))
  const [request] = requestViews({ ...sampleCoverage, layers: 36, recent: [{ ...sampleCoverage.recent[0]!, chains: [chain] }] })
  expect(request?.chains[0]?.hops).toEqual(['000000: 0', '000001: 1', '000002: 2', '000003: 3', '30 more', '000022: 34', '000023: 35'])
  const [whole] = requestViews({ ...sampleCoverage, layers: 36, recent: [{ ...sampleCoverage.recent[0]!, chains: [chain.slice(0, HOPS_NAMED)] }] })
  expect(whole?.chains[0]?.hops).toHaveLength(HOPS_NAMED)
})

test('a break says what happened, when it was noticed, and whether its sequences go on', () => {
  const [broken] = sampleCoverage.breaks
  expect(breakViews({ ...sampleCoverage, breaks: [broken!, { ...broken!, cause: 'left', recoveredAfterMs: null }] })).toEqual([
    { what: 'cccccc fell silent, pipeline 1', facts: ['3 sequences', 'noticed after 1.5 s', 'going on after 420 ms more'] },
    { what: 'cccccc left, pipeline 1', facts: ['3 sequences', 'noticed after 1.5 s', 'not going on yet'] }
  ])
})
