import { UserError } from '#trainer/user-error.ts'
import { createServer } from 'node:net'

export const USUAL_PORT = 8787

/** True when this process could listen there at this moment. */
export function portIsFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false)
      else reject(error)
    })
    probe.listen(port, host, () => probe.close(() => resolve(true)))
  })
}

/**
 * @param requested the port that a person asked for; undefined: the usual one, or any free one when that is taken
 * @returns a port; 0 lets the system choose
 * @throws UserError when the requested port is taken
 */
export async function choosePort(host: string, requested: number | undefined): Promise<number> {
  if (requested === undefined) return (await portIsFree(host, USUAL_PORT)) ? USUAL_PORT : 0
  if (requested !== 0 && !(await portIsFree(host, requested))) {
    throw new UserError(`Port ${requested} on ${host} is in use. Choose another with --port, or --port 0 for any free one.`)
  }
  return requested
}
