/** The stand-in in a process of its own, for a test that kills it: `archivesspace-process.ts <state folder>`. */
import { startArchivesSpace } from '../../local/archivesspace/server.ts';

const stateDir = process.argv[2];
if (stateDir === undefined) throw new Error('Which state folder?');
const { url } = await startArchivesSpace({ stateDir });
process.send?.(url);
