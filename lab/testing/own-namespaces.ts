import { listNamespaces } from '../namespaces.ts'

/** @returns the namespaces of the labs of this process: others may be open beside them */
export async function ownNamespaces(): Promise<string[]> {
  return (await listNamespaces()).filter(namespace => namespace.startsWith(`murmuration-lab-${process.pid}-`))
}
