import { missingViews } from '../dashboard/layers-view.ts'
import type { ApiRefusal } from './answer-state.ts'
import { messages } from './messages.ts'

/** Our words for what we know, the server's for the rest. */
export function RefusalNotice({ refusal: { code, message, missing } }: { readonly refusal: ApiRefusal }) {
  const known = (messages.refusal as Readonly<Record<string, string>>)[code]
  return (
    <div className="notice" role="alert" data-refusal={code}>
      <p>{known ?? messages.refusal.other}</p>
      {missingViews(missing).map(({ layers, text }) => (
        <p key={layers}>
          <strong>{layers}</strong> {text}
        </p>
      ))}
      {(known === undefined || (code === 'layers_missing' && missing.length === 0)) && <p>{message}</p>}
    </div>
  )
}
