import type { RunnerManifest } from '../../schemas/runner-manifest.ts';

/**
 * Which job types this runner works on. Plain data: it is read at deploy without running any code of the runner.
 * Two types may share a runner; `ctx.job.type` tells it which one a job is of.
 */
export const manifest = {
  types: {
    // Any number of these may run at once, as long as there are threads.
    slow_nothing_job: {
      run_concurrently: true,
      // The form is made from the schema; this is what a schema cannot say. Few people change this field, so that it is
      // folded away under "More options".
      form: { seconds: { advanced: true } },
      // For staff whose browser asks for German. What is not translated is shown as the schema has it.
      translations: {
        de: {
          title: 'Langsam nichts tun',
          description: 'Tut nichts, und das langsam: um zu sehen, wie Aufträge warten, laufen und abgebrochen werden.',
          properties: {
            times: { title: 'Wie oft?', description: 'In wie vielen Schritten nichts getan wird.' },
            seconds: { title: 'Sekunden für jeden', description: 'Wie lange ein Schritt dauert, bis zu einer Minute.' },
          },
        },
      },
    },
    // The default: while one of these runs, the next one waits, and jobs of other types pass it.
    slow_serial_job: {},
  },
  // Nothing in here needs much.
  memory_mb: 256,
} as const satisfies RunnerManifest;
