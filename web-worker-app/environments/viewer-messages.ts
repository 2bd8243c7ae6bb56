/** Every sentence round a rollout that was opened. */
export const viewerMessages = {
  open: (id: string) => `Open rollout ${id}`,
  openShort: 'Open',
  title: (id: string) => `Rollout ${id}`,
  close: 'Close',
  asText: 'As the policy reads and writes it',
  prompt: 'Prompt',
  completion: 'Completion',
  policy: 'Policy'
}
