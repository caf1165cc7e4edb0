/** What `npm run jobs` ends with, for scripts (docs/command-line.md). */
export const exitCodes = {
  completed: 0,
  failed: 1,
  usage: 2,
  canceled: 3,
  notPermitted: 4,
  notFound: 5,
  unavailable: 6,
  refused: 7,
} as const;

/** Ends the command, with a sentence for people. */
export class Stop extends Error {
  readonly code: number;
  constructor(why: keyof typeof exitCodes, message: string) {
    super(message);
    this.name = 'Stop';
    this.code = exitCodes[why];
  }
}
