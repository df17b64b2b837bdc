import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import './style/base.css';
import './style/shell.css';
import './style/parts.css';
import './style/tables.css';
import './style/pages.css';
import { locked } from './lib/api';
import { start } from './lib/live';
import * as meta from './lib/meta';
import { use } from './lib/store';
import { view } from './lib/view';
import { Blocks, OneBlock } from './pages/blocks';
import { comeBack, Login } from './pages/login';
import { Messages } from './pages/messages';
import { Overview } from './pages/overview';
import { OnePeer, Peers } from './pages/peers';
import { Query } from './pages/query';
import { Sensor } from './pages/sensor';
import { OneTransaction, Transactions } from './pages/transactions';
import { Empty, Heading } from './parts/bits';
import { firstLook, PAGES, Shell } from './parts/shell';
import { installTips } from './parts/tip';

function Page() {
  const { page, arg } = use(view);
  switch (page) {
    case 'overview':
      return <Overview />;
    case 'peers':
      return arg ? <OnePeer id={arg} key={arg} /> : <Peers />;
    case 'blocks':
      return arg ? <OneBlock hash={arg} key={arg} /> : <Blocks />;
    case 'transactions':
      return arg ? <OneTransaction txid={arg} key={arg} /> : <Transactions />;
    case 'messages':
      return <Messages />;
    case 'query':
      return <Query />;
    case 'sensor':
      return <Sensor />;
    default:
      return (
        <>
          <Heading>No such page</Heading>
          <Empty>The link is broken: there is no page “{page}”.</Empty>
        </>
      );
  }
}

function App() {
  const { page, arg } = use(view);
  const isLocked = use(locked);
  const first = useRef(true);
  useEffect(() => {
    const name = PAGES.find(([p]) => p === page)?.[1] ?? 'btcdmon';
    document.title = `${arg ? `${arg.slice(0, 12)} · ` : ''}${name} · btcdmon`;
    // A new page is told by its heading; the first one is where the reader already is.
    if (!first.current) {
      scrollTo(0, 0);
      document.querySelector<HTMLElement>('#main h1')?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [page, arg]);
  useEffect(() => {
    if (!isLocked) meta.load();
  }, [isLocked]);
  if (isLocked) return <Login />;
  return (
    <Shell>
      <Page key={`${page}/${arg}`} />
    </Shell>
  );
}

comeBack();
firstLook();
installTips();
void start();
const root = document.getElementById('app');
if (root) render(<App />, root);
