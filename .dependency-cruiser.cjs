/** Arrows point one way: shared ← {web-worker-app, signaling-server, trainer} ← {cli, e2e, bench, lab, scripts}. See docs/adr/0002. */
const rooms = 'web-worker-app|signaling-server|trainer|cli|e2e|bench|lab|scripts'
module.exports = {
  forbidden: [
    {
      name: 'shared-imports-nothing-of-ours',
      comment: 'shared/ decides; it must run in a tab, in Node and in the simulator alike.',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: `^(${rooms})/` }
    },
    {
      name: 'shared-knows-no-platform',
      comment: 'No Node API in shared/ (tests excepted).',
      severity: 'error',
      from: { path: '^shared/', pathNot: '\\.test\\.ts$|^shared/testing/' },
      to: { dependencyTypes: ['core'] }
    },
    {
      name: 'apps-never-import-each-other',
      severity: 'error',
      from: { path: '^(web-worker-app|signaling-server|trainer)/' },
      to: { path: `^(${rooms})/`, pathNot: '^$1/' }
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/|\\?(url|worker)' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.mjs', '.js', '.json'], exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] }
  }
}
