// Who may import whom (docs/architecture.md). `npm run check` holds it.
const ours = '^(archivesspace|aws|bench|core|functions|infra|local|plugins|runners|schemas|scripts|test|ui)/';
const layer = (from, ...to) => ({
  name: `${from}-imports-only-${to.join('-and-').replaceAll('/', '-') || 'itself'}`,
  severity: 'error',
  from: { path: `^${from}/` },
  to: { path: ours, pathNot: [from, ...to].map((folder) => `^${folder}(/|\\.ts$)`) },
});
module.exports = {
  forbidden: [
    layer('schemas'),
    layer('core', 'schemas'),
    layer('archivesspace'),
    layer('aws', 'core', 'schemas'),
    layer('functions', 'archivesspace', 'aws', 'core', 'schemas'),
    layer('runners/sdk', 'archivesspace', 'aws', 'core', 'schemas'),
    // Handlers are bundled by path, and manifests are read as data: nothing of a function or runner runs at synth.
    layer('infra', 'core', 'schemas', 'functions/env', 'functions/api/routes'),
    // It knows AWS, CloudFormation and ArchivesSpace. If it knew our table, it would be a second implementation.
    layer('local'),
    layer('ui', 'core', 'schemas'),
    {
      name: 'a-runner-sees-only-the-sdk',
      comment: 'A plugin in another repository must look the same. delegate_test is a built-in one at another pace.',
      severity: 'error',
      from: {
        path: '^(?:runners/(?!sdk/)|plugins/|test/plugins/)([^/]+)/',
        pathNot: '^test/plugins/delegate_test/',
      },
      to: { path: ours, pathNot: ['^runners/sdk/', '^schemas/', '^(?:runners|plugins|test/plugins)/$1/'] },
    },
    {
      name: 'a-runner-carries-no-test-tools',
      severity: 'error',
      from: {
        pathNot:
          '^test/|\\.test\\.ts$|^runners/sdk/(testing|example-params|nearly-valid|valid-params|schema-cases)\\.ts$',
      },
      to: { path: '^runners/sdk/(testing|example-params|nearly-valid|valid-params|schema-cases)\\.ts$' },
    },
    {
      name: 'core-is-pure',
      severity: 'error',
      from: { path: '^core/' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev'] },
    },
    {
      name: 'aws-sdk-only-in-aws',
      comment: 'Besides the parts whose business it is.',
      severity: 'error',
      from: {
        pathNot: '^(aws|infra|local|test|runners/sdk)/|^(functions/session|scripts/deploy-page|ui/api/upload)\\.ts$',
      },
      to: { path: 'node_modules/@(aws-sdk|smithy|aws-crypto)/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files may know the types of each other.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'nobody-imports-tests',
      severity: 'error',
      from: { pathNot: '^(test|bench)/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'what-is-imported-is-listed',
      severity: 'error',
      from: { pathNot: '^(test|scripts|ui)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(cdk\\.out|\\.local|\\.build|ui/dist)/' },
  },
};
