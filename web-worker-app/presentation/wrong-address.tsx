import { runMessages } from './run-messages.ts'
import './base.css'

/** Instead of a view, where the page's address asks for what there is not. */
export function WrongAddress({ fault, path }: { readonly fault: string; readonly path: string }) {
  const { headline, without } = runMessages.wrongAddress
  return (
    <main className="page wrong-address">
      <title>{`${headline} · ${runMessages.productName}`}</title>
      <h1>{headline}</h1>
      <p role="alert">{fault}</p>
      <a href={path}>{without}</a>
    </main>
  )
}
