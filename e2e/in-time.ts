/** Less than a test may take, far more than anything takes on a machine that is only busy. */
const WAIT_MS = 240_000

/**
 * What is waited for in vain says so: a test that ran out of time does not tell where it stood.
 *
 * @param waitedFor in words, and how it stands; asked when it is too late
 * @throws when the promise takes longer than four minutes
 */
export function inTime<T>(promise: Promise<T>, waitedFor: () => string): Promise<T> {
  const asked = new Error('asked here')
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${waitedFor()}`, { cause: asked })), WAIT_MS)
    void promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
