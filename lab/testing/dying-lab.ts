/** Opens a lab with a program in it, says so, and waits to be killed. */
import { openLab } from '../lab.ts'

const lab = await openLab({ nodes: { only: {} } })
lab.spawn('only', 'sleep', ['1000'])
console.log('open')
setInterval(() => undefined, 1000)
