/** Shown when the server wants to know who asks. The form goes to the server, which answers with a cookie that scripts cannot read. */
export function Login() {
  const keep = (): void => {
    try {
      sessionStorage.setItem('back', location.hash);
    } catch {
      // Then the overview is shown.
    }
  };
  return (
    <main class="login" id="main">
      <form method="get" action="/" onSubmit={keep}>
        <h1>btcdmon</h1>
        <p>This sensor asks for its token.</p>
        <label>
          <span>Token</span>
          <input type="password" name="token" autocomplete="current-password" required autofocus />
        </label>
        <button type="submit" class="main">
          Open
        </button>
      </form>
    </main>
  );
}

/** The view that was looked at before the login. */
export function comeBack(): void {
  try {
    const back = sessionStorage.getItem('back');
    sessionStorage.removeItem('back');
    if (back && !location.hash) location.replace(back);
  } catch {
    // Then the overview is shown.
  }
}
