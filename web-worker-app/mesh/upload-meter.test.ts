import { expect, test } from 'vitest'
import { UploadMeter } from './upload-meter.ts'

function meter(): { readonly measured: [bytes: number, ms: number][]; readonly upload: UploadMeter } {
  const measured: [number, number][] = []
  return { measured, upload: new UploadMeter((bytes, ms) => measured.push([bytes, ms])) }
}

test('what leaves while there is always something to send is measured, half a second at a time', () => {
  const { measured, upload } = meter()
  for (let now = 0; now <= 1_300; now += 100) upload.observe(50 * now, 1_000, now)
  expect(measured).toEqual([[25_000, 500], [25_000, 500]])
})

test('an uplink that stood idle is not taken for a slow one', () => {
  const { measured, upload } = meter()
  upload.observe(0, 1_000, 0)
  upload.observe(20_000, 1_000, 400)
  upload.observe(21_000, 0, 60_000)
  upload.observe(21_000, 1_000, 60_000)
  upload.observe(46_000, 1_000, 60_500)
  expect(measured).toEqual([[25_000, 500]])
})

test('after a restart nothing from before counts', () => {
  const { measured, upload } = meter()
  upload.observe(90_000, 1_000, 0)
  upload.restart()
  upload.observe(100, 1_000, 600)
  upload.observe(10_100, 1_000, 1_100)
  expect(measured).toEqual([[10_000, 500]])
})
