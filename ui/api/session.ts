/** Who is signed in, in all tabs of this browser. */
export interface Session {
  readonly kind: 'password' | 'oidc';
  /** A session of ArchivesSpace, or a token of the issuer. */
  readonly secret: string;
  readonly username: string;
  /** It has ended: a new one is asked for, and nothing on the page is lost meanwhile. */
  readonly lost?: boolean;
}

const place = 'background-jobs-session';
const listeners = new Set<() => void>();
let current: Session | undefined = stored();

function stored(): Session | undefined {
  try {
    return JSON.parse(localStorage.getItem(place) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

function change(session: Session | undefined): void {
  current = session;
  if (session === undefined) localStorage.removeItem(place);
  else if (!session.lost) localStorage.setItem(place, JSON.stringify(session));
  for (const listener of listeners) listener();
}

addEventListener('storage', ({ key }) => {
  if (key !== place) return;
  current = stored();
  for (const listener of listeners) listener();
});

export const sessions = {
  now: () => current,
  subscribe(listener: () => void) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  begin: (session: Session) => change(session),
  end: () => change(undefined),
  /** The service said so of this secret; a newer one stays. */
  lose(secret: string) {
    if (current?.secret === secret && !current.lost) change({ ...current, lost: true });
  },
};
