/** The bundle brings its own Node shims; the package's main module needs them from whoever bundles it. */
declare module 'simple-peer/simplepeer.min.js' {
  import SimplePeer from 'simple-peer'
  export default SimplePeer
}
