import { viewerMessages as text } from './viewer-messages.ts'

export function OpenButton({ id, onOpen }: { readonly id: string; readonly onOpen: () => void }) {
  return (
    <button type="button" className="small" aria-label={text.open(id)} onClick={onOpen}>
      {text.openShort}
    </button>
  )
}
