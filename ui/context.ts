import { createContext, useContext } from 'react';
import type { PageReply } from '../schemas/extensions.ts';

export interface Here {
  readonly user: NonNullable<PageReply['user']>;
  readonly repo: number;
  readonly staffUrl: string | undefined;
}

export const HereContext = createContext<Here | undefined>(undefined);

/** Who looks at which repository. */
export function useHere(): Here {
  const here = useContext(HereContext);
  if (!here) throw new Error('There is no repository here.');
  return here;
}
