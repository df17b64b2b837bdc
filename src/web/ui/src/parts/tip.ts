// One floating note for the whole page: whatever has `data-tip` shows it on hover, on focus and on a touch.
// The text is a text node, so that nothing a peer named itself becomes part of the page.

const GAP = 8;

export function installTips(): void {
  const note = document.createElement('div');
  note.className = 'tip';
  note.setAttribute('role', 'tooltip');
  note.id = 'tip';
  note.hidden = true;
  document.body.append(note);
  let owner: Element | null = null;

  const hide = (): void => {
    owner?.removeAttribute('aria-describedby');
    owner = null;
    note.hidden = true;
  };
  const show = (target: EventTarget | null): void => {
    const at = target instanceof Element ? target.closest('[data-tip]') : null;
    const text = at?.getAttribute('data-tip');
    if (!at || !text) return hide();
    if (at !== owner) {
      hide();
      owner = at;
      if (!at.hasAttribute('aria-label')) at.setAttribute('aria-describedby', 'tip');
    }
    note.textContent = text;
    note.hidden = false;
    const box = at.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = note;
    const left = Math.min(Math.max(GAP, box.left + box.width / 2 - width / 2), innerWidth - width - GAP);
    const above = box.top - height - GAP;
    note.style.left = `${Math.max(GAP, left)}px`;
    note.style.top = `${above > GAP ? above : box.bottom + GAP}px`;
  };
  document.addEventListener('pointerover', (e) => show(e.target));
  document.addEventListener('focusin', (e) => show(e.target));
  document.addEventListener('focusout', hide);
  document.addEventListener('scroll', hide, { passive: true, capture: true });
  document.addEventListener('keydown', (e) => e.key === 'Escape' && hide());
  addEventListener('hashchange', hide);
}
