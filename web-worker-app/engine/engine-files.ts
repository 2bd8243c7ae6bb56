/** The network or the server is to blame, not the device: another try may succeed. */
export class EngineFilesUnreachable extends Error {}

/**
 * onnxruntime's binary, fetched by us: it does not tell a server that is away from a device that cannot run it, and never tries again.
 * @throws {EngineFilesUnreachable}
 */
export async function fetchEngineFile(url: string): Promise<ArrayBuffer> {
  const response = await orUnreachable(() => fetch(url))
  if (!response.ok) throw new EngineFilesUnreachable(`the server answers ${response.status} to ${url}`)
  return orUnreachable(() => response.arrayBuffer())
}

/** @throws {EngineFilesUnreachable} */
export function importEngine<Module>(load: () => Promise<Module>): Promise<Module> {
  return orUnreachable(load)
}

/** Both `fetch` and `import()` reject with a `TypeError` when the network fails. */
async function orUnreachable<Result>(load: () => Promise<Result>): Promise<Result> {
  try {
    return await load()
  } catch (error) {
    if (error instanceof TypeError) throw new EngineFilesUnreachable(error.message, { cause: error })
    throw error
  }
}
