import { useId, useState, type KeyboardEvent } from 'react'
import type { ModelName, Question } from './api-client.ts'
import { messages } from './messages.ts'

const text = messages.form

interface QuestionFormProps {
  readonly models: readonly ModelName[]
  /** A prompt of the run's own; null: none is known. */
  readonly samplePrompt: string | null
  /** Shown once the server has asked for one. */
  readonly wantsKey: boolean
  readonly apiKey: string
  readonly onKey: (key: string) => void
  readonly busy: boolean
  readonly onAsk: (question: Question) => void
  readonly onStop: () => void
}

export function QuestionForm({ models, samplePrompt, wantsKey, apiKey, onKey, busy, onAsk, onStop }: QuestionFormProps) {
  const id = useId()
  const [chosen, setChosen] = useState<string>()
  const [prompt, setPrompt] = useState('')
  const [temperature, setTemperature] = useState('1')
  const [maxTokens, setMaxTokens] = useState('32')
  const [seed, setSeed] = useState('')
  const model = models.find(({ id }) => id === chosen) ?? models[0]
  const submit = (): void => {
    if (model === undefined || busy) return
    onAsk({ model: model.id, prompt, temperature: Number(temperature), maxTokens: Number(maxTokens), seed: seed === '' ? null : Number(seed) })
  }
  const submitByKey = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit()
  }
  return (
    <form
      className="card question"
      aria-labelledby={`${id}-title`}
      onSubmit={event => {
        event.preventDefault()
        submit()
      }}
    >
      <h2 id={`${id}-title`} className="card-title">
        {text.title}
      </h2>
      {wantsKey && (
        <label className="field">
          {text.key}
          <input type="password" name="key" autoComplete="off" value={apiKey} aria-describedby={`${id}-key`} onChange={event => onKey(event.target.value.trim())} />
          <span id={`${id}-key`} className="muted hint">
            {text.keyHint}
          </span>
        </label>
      )}
      <label className="field">
        {text.model}
        <select name="model" value={model?.id ?? ''} disabled={model === undefined} onChange={event => setChosen(event.target.value)}>
          {models.map(({ id, root }) => (
            <option key={id} value={id}>
              {id === root ? id : text.newest(id, root)}
            </option>
          ))}
        </select>
      </label>
      <div className="field">
        <label htmlFor={`${id}-prompt`}>{text.prompt}</label>
        <textarea id={`${id}-prompt`} name="prompt" rows={4} value={prompt} spellCheck={false} onChange={event => setPrompt(event.target.value)} onKeyDown={submitByKey} />
        {samplePrompt !== null && (
          <button type="button" className="small" onClick={() => setPrompt(samplePrompt)}>
            {text.ofRun}
          </button>
        )}
      </div>
      <div className="fields">
        <label className="field">
          {text.temperature}
          <input type="number" name="temperature" inputMode="decimal" min="0" max="2" step="any" required value={temperature} onChange={event => setTemperature(event.target.value)} />
        </label>
        <label className="field">
          {text.maxTokens}
          <input type="number" name="maxTokens" inputMode="numeric" min="1" max={model?.max_model_len ?? 1} required value={maxTokens} onChange={event => setMaxTokens(event.target.value)} />
        </label>
        <label className="field">
          {text.seed}
          <input type="number" name="seed" inputMode="numeric" step="1" min="-9007199254740991" max="9007199254740991" placeholder={text.seedHint} value={seed} onChange={event => setSeed(event.target.value)} />
        </label>
      </div>
      <div className="ask-line">
        {/* Two elements: one that became a submit button while it is being clicked would ask again. */}
        {busy ? (
          <button key="stop" type="button" onClick={onStop}>
            {text.stop}
          </button>
        ) : (
          <button key="ask" type="submit" className="ask" disabled={model === undefined}>
            {text.ask}
          </button>
        )}
        <span className="muted hint">{text.shortcut}</span>
      </div>
    </form>
  )
}
