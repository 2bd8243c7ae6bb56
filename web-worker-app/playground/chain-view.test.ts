import { describe, expect, test } from 'vitest'
import { PEER_A, PEER_B, sampleCoverage } from '../presentation/sample-run.ts'
import { chainView } from './chain-view.ts'

const recent = sampleCoverage.recent.map(request => ({ ...request, key: `${request.key}/0` }))
const coverage = { ...sampleCoverage, recent }

describe('the tabs that answered', () => {
  test('are those of the last chain, with their layers, latencies and paths; what broke before is said', () => {
    const { sentence, stages } = chainView(coverage, 'completion-18', false)
    expect(sentence).toBe('2 tabs, each with its layers; the last one returns every token to the first. Before that, another chain broke; the answer went on from where it was.')
    expect(stages).toMatchObject([
      { peer: PEER_A, place: 'stage 1', layers: 'layers 0–1', from: 0, share: 0.5, latency: '4.5 ms per token', state: 'ready', relayed: false },
      { peer: PEER_B, place: 'stage 2', layers: 'layers 2–3', from: 0.5, share: 0.5, latency: '6.3 ms per token', state: 'ready', relayed: true }
    ])
  })

  test('may be one, and may be gone', () => {
    expect(chainView(coverage, 'completion-17', true)).toMatchObject({ sentence: 'One tab, cccccc, holds the whole model: nothing passes from tab to tab.', stages: [{ layers: 'all layers', state: 'gone', latency: 'gone' }] })
  })

  test.each([
    ['nothing was asked', coverage, null, false, 'The path of an answer is drawn here.'],
    ['the server has not told', undefined, 'completion-99', false, 'The server has not told yet which tabs work on it.'],
    ['nobody works on it yet', coverage, 'completion-16', false, 'The server has not told yet which tabs work on it.'],
    ['the server does not keep it any more', coverage, 'completion-99', true, 'The server no longer keeps the path of this answer.']
  ])('are not shown while %s', (_, told, answer, done, sentence) => {
    expect(chainView(told, answer, done)).toEqual({ sentence, stages: [] })
  })
})
