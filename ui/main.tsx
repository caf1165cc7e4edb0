import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { backoffMs } from './lib/polling.ts';
import { mayPass, problemIn } from './lib/problem.ts';
import { en } from './words/en.ts';
import { pseudo, setWords } from './words/say.ts';
import './style.css';

// For whoever looks for text that is not in the words.
if (localStorage.getItem('background-jobs-words') === 'pseudo') setWords(pseudo(en));

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // Asked anyway while the browser thinks that it is offline: it is often wrong about a machine's own services.
      networkMode: 'always',
      retry: (failures, error) => failures < 2 && mayPass(problemIn(error)),
      retryDelay: (failures) => backoffMs(failures, 1_000),
      refetchIntervalInBackground: false,
      refetchOnWindowFocus: true,
    },
    mutations: { networkMode: 'always' },
  },
});

const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
