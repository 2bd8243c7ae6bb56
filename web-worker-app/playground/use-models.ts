import { useEffect, useMemo, useState } from 'react'
import { fetchModels, type Models } from './api-client.ts'

/**
 * The models there are, asked for again whenever `occasion` changes.
 * @returns undefined before the first word of the server; an old list stands until there is a new one
 */
export function useModels(key: string, occasion: string): Models | undefined {
  const [models, setModels] = useState<Models>()
  const asked = useMemo(() => ({ key, occasion }), [key, occasion])
  useEffect(() => {
    const controller = new AbortController()
    void fetchModels(asked.key, controller.signal).then(found => {
      if (!controller.signal.aborted) setModels(found)
    })
    return () => controller.abort()
  }, [asked])
  return models
}
