/** Copying to the clipboard, which is the main process's. */
import { bridge } from '../shell/bridge';
import { Icon } from './icon';
import { showToast } from './toast';

/** `what` is said when it is done: "Copied <what>". */
export async function copyText(text: string, what: string): Promise<void> {
  const answer = await bridge.invoke('clipboard.write', { text });
  if (answer.ok) showToast(`Copied ${what}`);
  else showToast(`Could not copy: ${answer.error.message}`, true);
}

export function CopyButton({ text, label }: { readonly text: string; readonly label?: string }) {
  const name = label ?? `Copy ${text}`;
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={name}
      title={name}
      onClick={(event) => {
        event.stopPropagation();
        void copyText(text, text);
      }}
    >
      <Icon name="copy" />
    </button>
  );
}

/** A command to type in a terminal, with a button that copies it. */
export function CommandLine({ command }: { readonly command: string }) {
  return (
    <div className="command-line">
      <code>{command}</code>
      <CopyButton text={command} label={`Copy: ${command}`} />
    </div>
  );
}
