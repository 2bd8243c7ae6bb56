import { useState } from 'react'
import { missingViews } from '../dashboard/layers-view.ts'
import { PageFrame } from '../presentation/page-frame.tsx'
import { useSession } from '../presentation/session-context.ts'
import { AnswerView } from './answer-view.tsx'
import type { Models } from './api-client.ts'
import { ChainPicture } from './chain-picture.tsx'
import { messages } from './messages.ts'
import { QuestionForm } from './question-form.tsx'
import { RefusalNotice } from './refusal-notice.tsx'
import { useAnswer } from './use-answer.ts'
import { useModels } from './use-models.ts'
import './playground.css'

/** Why nothing can be asked at the moment. */
function NoModel({ found }: { readonly found: Models | undefined }) {
  const text = messages.noModel
  if (found?.kind === 'refused') return <RefusalNotice refusal={found.refusal} />
  if (found?.kind === 'models') return found.models.length > 0 ? null : <p className="notice calm">{text.none}</p>
  return <p className="notice calm">{found === undefined ? text.connecting : text.unreachable}</p>
}

export function PlaygroundPage() {
  const { connection, description, feed, coverage } = useSession()
  const [apiKey, setApiKey] = useState('')
  const { answer, ask, stop } = useAnswer()
  const found = useModels(apiKey, `${connection} ${description?.run} ${feed?.report.updates} ${answer?.refusal?.code}`)
  const models = found?.kind === 'models' ? found.models : []
  const wantsKey = apiKey !== '' || (found?.kind === 'refused' && found.refusal.code === 'invalid_api_key')
  return (
    <PageFrame view="playground" connection={connection}>
      <title>{messages.documentTitle}</title>
      <div className="intro">
        <h1>{messages.headline}</h1>
        <p className="muted">{messages.what}</p>
      </div>
      <div className="playground-status" role="status">
        <NoModel found={found} />
        {missingViews(coverage?.missing ?? []).map(({ layers, text }) => (
          <p key={layers} className="notice" data-missing>
            <strong>{layers}</strong> {text}
          </p>
        ))}
      </div>
      <div className="playground-columns">
        <QuestionForm
          models={models}
          samplePrompt={feed?.latestRollouts[0]?.prompt ?? null}
          wantsKey={wantsKey}
          apiKey={apiKey}
          onKey={setApiKey}
          busy={answer !== null && answer.end === null}
          onAsk={question => ask(question, apiKey)}
          onStop={stop}
        />
        <div className="playground-answer">
          <AnswerView answer={answer} />
          <ChainPicture coverage={coverage} answer={answer?.id ?? null} done={answer?.end !== null} />
        </div>
      </div>
    </PageFrame>
  )
}
