/** What a signaling server says of itself on /metrics. */
import { setTimeout as wait } from 'node:timers/promises'

export interface ServerSample {
  readonly residentBytes: number
  readonly heapBytes: number
  readonly cpuSeconds: number
  /** By which the event loop was late in all but one of a hundred moments, since the sample before. */
  readonly latenessMs: number
}

/** The memory is the least of many samples: what waits for the garbage collector comes and goes. */
export interface ServerWindow {
  readonly residentBytes: number
  readonly heapBytes: number
  /** CPU seconds per second. */
  readonly cores: number
  /** The worst of its samples. */
  readonly latenessMs: number
}

const SAMPLE_MS = 500

export async function sampleServer(url: string): Promise<ServerSample> {
  const values = new Map<string, number>()
  for (const line of (await (await fetch(`${url}/metrics`)).text()).split('\n')) {
    const [name, value] = line.split(' ')
    if (!line.startsWith('#') && name !== undefined) values.set(name, Number(value))
  }
  const read = (name: string): number => {
    const value = values.get(name)
    if (value === undefined) throw new Error(`the server's /metrics has no ${name}`)
    return value
  }
  return { residentBytes: read('process_resident_memory_bytes'), heapBytes: read('nodejs_heap_size_used_bytes'), cpuSeconds: read('process_cpu_seconds_total'), latenessMs: read('nodejs_eventloop_lag_p99_seconds') * 1000 }
}

export async function watchServer(url: string, seconds: number): Promise<ServerWindow> {
  const start = performance.now()
  const samples = [await sampleServer(url)]
  while (performance.now() - start < seconds * 1000) {
    await wait(SAMPLE_MS)
    samples.push(await sampleServer(url))
  }
  const elapsed = (performance.now() - start) / 1000
  return {
    residentBytes: Math.min(...samples.map(({ residentBytes }) => residentBytes)),
    heapBytes: Math.min(...samples.map(({ heapBytes }) => heapBytes)),
    cores: (samples.at(-1)!.cpuSeconds - samples[0]!.cpuSeconds) / elapsed,
    latenessMs: Math.max(...samples.slice(1).map(({ latenessMs }) => latenessMs))
  }
}
