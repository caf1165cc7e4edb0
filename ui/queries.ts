import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import type { TypesReply } from '../schemas/extensions.ts';
import { calls } from './api/calls.ts';
import { hasEnded } from './lib/labels.ts';
import { type LocalType, localize } from './lib/localize.ts';
import { backoffMs, movingMs } from './lib/polling.ts';
import { ApiError } from './lib/problem.ts';

export const useTypes = (repo: number) =>
  useQuery({
    queryKey: ['types', repo],
    queryFn: ({ signal }) => calls.types(repo, signal),
    staleTime: 300_000,
    select: inReadersLanguage,
  });

const inReadersLanguage = ({ types }: TypesReply): readonly LocalType[] =>
  types.map((type) => localize(type, navigator.languages));

/** How a job stands: asked each second while it moves, and what else is known of it is asked anew when it has changed. */
export function useStatus(repo: number, id: number) {
  const client = useQueryClient();
  const status = useQuery({
    queryKey: ['job', repo, id, 'status'],
    queryFn: ({ signal }) => calls.status(repo, id, signal),
    refetchInterval: ({ state }) => {
      if (isGone(state.error) || (state.data && hasEnded(state.data.status) && !state.error)) return false;
      return backoffMs(state.fetchFailureCount, movingMs);
    },
  });
  const version = status.data?.lock_version;
  const known = useRef<number>(undefined);
  useEffect(() => {
    if (version === undefined) return;
    if (known.current !== undefined && known.current !== version) {
      void client.invalidateQueries({ queryKey: ['job', repo, id, 'about'] });
      void client.invalidateQueries({ queryKey: ['jobs', repo] });
    }
    known.current = version;
  }, [client, repo, id, version]);
  return status;
}

export const isGone = (error: unknown): boolean => error instanceof ApiError && error.problem.kind === 'not_found';
