import type { TestProject } from 'vitest/node';
import { buildPage } from '../../local/built-page.ts';
import { startService } from '../../local/service.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly address: string;
  }
}

/** Starts the service with its page, for all files. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const service = await startService({
    jobThreadCount: 2,
    plugins: ['jobs_example', 'test/plugins/jobs_test'],
    port: 0,
    page: buildPage(),
    log: () => undefined,
  });
  project.provide('address', service.apiUrl);
  return () => service.stop();
}
