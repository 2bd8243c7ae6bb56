/** Less than a test may take, far more than anything takes on a machine that is only busy, unless tabs compute without a GPU on WebGPU. */
export const WAIT_MS = 240_000

/**
 * What is waited for in vain says so: a test that ran out of time does not tell where it stood.
 *
 * @param waitedFor in words, and how it stands; asked when it is too late
 * @throws when the promise takes longer than that
 */
export function inTime<T>(promise: Promise<T>, waitedFor: () => string, waitMs = WAIT_MS): Promise<T> {
  const asked = new Error('asked here')
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${waitedFor()}`, { cause: asked })), waitMs)
    void promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
