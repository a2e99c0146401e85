// The playground: GraphiQL with Scrip's name on it, the example tabs, and one optional key.

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import { createClient } from 'graphql-ws';
import { editor } from 'monaco-graphql/esm/monaco-editor.js';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { examples } from './examples.js';
import './main.css';

/** An address of this server. Addresses are relative to the page, so that a proxy may serve it below a path. */
const here = (path) => new URL(path, document.baseURI);

// The build puts the workers' hashed addresses in the place of WORKERS. They are files of this server, because the
// content policy lets no worker be made from a blob.
globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    return new Worker(here(WORKERS[label] ?? WORKERS.editor), { type: 'module', name: label });
  },
};

// Explanations hold signs such as ×, which Monaco would frame as letters that look like others.
editor.onDidCreateEditor((created) => created.updateOptions({ unicodeHighlight: { ambiguousCharacters: false } }));

/**
 * The API key, if there is one: from `#key=…`, which then leaves the address bar, else from the last visit. A link of somebody
 * else's must not replace the key that is kept.
 */
function readKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get('key')?.trim();
  const kept = localStorage.getItem('scrip-key');
  const question = 'This address brings another API key than the one that this browser keeps. Replace that one?';
  if (key && (!kept || kept === key || confirm(question))) localStorage.setItem('scrip-key', key);
  if (key !== undefined) history.replaceState(null, '', location.pathname + location.search);
  return localStorage.getItem('scrip-key');
}

const key = readKey();
const authorization = key ? { authorization: `Bearer ${key}` } : {};

// One socket, opened by the first subscription. It comes back by itself for as long as a subscription wants it, a
// refused connection included, and never waits much longer than ten seconds, so that a restarted server is found soon.
// Only what a retry cannot mend ends it: the codes that graphql-ws takes as final, and 4403, forbidden.
const wsClient = createClient({
  url: here('graphql').href.replace(/^http/, 'ws'),
  lazy: true,
  connectionParams: authorization,
  retryAttempts: Infinity,
  shouldRetry: (closedOrFailed) => closedOrFailed?.code !== 4403,
  retryWait: (retries) =>
    new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** retries, 10_000) + 500 * Math.random())),
});

const fetcher = createGraphiQLFetcher({
  url: here('graphql').href,
  headers: authorization,
  wsClient,
  enableIncrementalDelivery: false,
});

// A development port is used by one project today and by another tomorrow, so that what GraphiQL remembers goes under
// a name of our own: somebody else's tabs must not hide the examples. "Clear storage" forgets it, and keeps the key.
const prefix = 'scrip:';
const storedNames = () => Object.keys(localStorage).filter((name) => name.startsWith(prefix));
const storage = {
  getItem: (name) => localStorage.getItem(prefix + name),
  setItem: (name, value) => localStorage.setItem(prefix + name, value),
  removeItem: (name) => localStorage.removeItem(prefix + name),
  clear: () => storedNames().forEach((name) => localStorage.removeItem(name)),
  get length() {
    return storedNames().length;
  },
};

const defaultTabs = examples.map(({ query, variables }) => ({
  query,
  variables: variables && JSON.stringify(variables, null, 2),
}));

const groups = [...new Set(examples.map(({ group }) => group))];
const groupOf = new Map(examples.map(({ group, query }) => [/^(?:query|mutation|subscription) (\w+)/m.exec(query)[1], group]));
const tabs = () => [...document.querySelectorAll('.graphiql-tab')];
const titleOf = (tab) => tab.querySelector('.graphiql-tab-button')?.textContent;

/** Shows the tabs of one group, and those that are no examples. GraphiQL itself knows no groups of tabs. */
function Groups() {
  const [chosen, choose] = useState(groups[0]);
  useEffect(() => {
    const sort = () => {
      const active = document.querySelector('.graphiql-tab-active');
      for (const tab of tabs()) tab.hidden = tab !== active && (groupOf.get(titleOf(tab)) ?? chosen) !== chosen;
    };
    sort();
    const observer = new MutationObserver(sort);
    observer.observe(document.getElementById('playground'), { childList: true, subtree: true, characterData: true });
    return () => observer.disconnect();
  }, [chosen]);
  const open = (group) => {
    choose(group);
    tabs().find((tab) => groupOf.get(titleOf(tab)) === group)?.querySelector('.graphiql-tab-button').click();
  };
  return (
    <nav className="scrip-groups" aria-label="Groups of examples">
      {groups.map((group) => (
        <button key={group} type="button" aria-pressed={group === chosen} onClick={() => open(group)}>
          {group}
        </button>
      ))}
    </nav>
  );
}

createRoot(document.getElementById('playground')).render(
  <>
    <Groups />
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      defaultTabs={defaultTabs}
      defaultEditorToolsVisibility="variables"
      schemaDescription
    >
      <GraphiQL.Logo>
        <span className="scrip-logo">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle cx="16" cy="16" r="15" fill="currentColor" />
            <circle cx="16" cy="16" r="9" fill="none" stroke="#fff" strokeWidth="3" />
          </svg>
          Scrip
        </span>
      </GraphiQL.Logo>
    </GraphiQL>
  </>,
);
