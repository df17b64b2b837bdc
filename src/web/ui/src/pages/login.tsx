import { useState } from 'preact/hooks';
import { ApiError, post } from '../lib/api';
import { unlocked } from '../lib/live';
import { Trouble } from '../parts/bits';

/** Shown when the server wants to know who asks. The token goes into a cookie that scripts cannot read. */
export function Login() {
  const [token, set] = useState('');
  const [error, fail] = useState<string | null>(null);
  return (
    <main class="login" id="main">
      <form
        onSubmit={(e) => {
          e.preventDefault();
          post('login', { token: token.trim() }).then(unlocked, (x: unknown) =>
            fail(x instanceof ApiError ? (x.status === 401 ? 'This is not the token of this sensor.' : x.message) : 'The sensor does not answer.'),
          );
        }}
      >
        <h1>btcdmon</h1>
        <p>This sensor asks for its token: the one given with --web-token, or in the file of --web-token-file.</p>
        <label>
          <span>Token</span>
          <input type="password" name="token" autocomplete="current-password" value={token} onInput={(e) => set(e.currentTarget.value)} autofocus />
        </label>
        <button type="submit" class="main" disabled={!token.trim()}>
          Open
        </button>
        <Trouble text={error} />
      </form>
    </main>
  );
}
