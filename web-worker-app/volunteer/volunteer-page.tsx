import { PageFrame } from '../presentation/page-frame.tsx'
import { useCommands, useSession } from '../presentation/session-context.ts'
import { Consent } from './consent.tsx'
import { Contribution } from './contribution.tsx'
import { LinkList } from './link-list.tsx'
import { linkViews } from './link-views.ts'
import { messages } from './messages.ts'
import { NetworkCard } from './network-card.tsx'
import { networkView } from './network-view.ts'
import { OwnRollouts } from './own-rollout-list.tsx'
import { StorageCard } from './storage-card.tsx'
import { storageView } from './storage-view.ts'
import { SwarmPicture } from './swarm-picture.tsx'
import { TabControls } from './tab-controls.tsx'
import { volunteerView, type Device } from './view-model.ts'
import './volunteer.css'

/** Measured when the page is built (vite.config.ts). */
declare const ENGINE_BYTES: Device['engineBytes']

export function VolunteerPage() {
  const snapshot = useSession()
  const commands = useCommands()
  const view = volunteerView(snapshot, { webgpu: 'gpu' in navigator, engineBytes: ENGINE_BYTES })
  const contributing = view.controls.length > 0
  return (
    <PageFrame view="volunteer" connection={snapshot.connection}>
      <title>{view.documentTitle}</title>
      <div className="intro">
        <h1>{messages.headline}</h1>
        <p className="lead">{messages.what}</p>
        {view.goal !== null && (
          <p className="goal">
            <span className="goal-label">{messages.goalLabel}</span> {view.goal}
          </p>
        )}
      </div>
      <div className="columns">
        <div className="column">
          <TabControls view={view} commands={commands} />
          {view.contribution !== null && <Contribution contribution={view.contribution} />}
          {view.facts !== null && <Consent facts={view.facts} />}
          {contributing && <LinkList links={linkViews(snapshot.volunteer.paths)} />}
          <NetworkCard network={networkView(snapshot)} commands={commands} />
          <StorageCard storage={storageView(snapshot)} commands={commands} />
          {(contributing || view.ownRollouts.length > 0) && <OwnRollouts task={view.task} rollouts={view.ownRollouts} />}
        </div>
        <SwarmPicture view={view} contributing={contributing} />
      </div>
    </PageFrame>
  )
}
