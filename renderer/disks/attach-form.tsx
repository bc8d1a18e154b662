/** How an image becomes a disk: dropped, chosen, typed or pasted; and what went wrong with it. */
import { Switch } from 'radix-ui';
import { useState } from 'react';
import { routeWishes } from '../../app/contract/disk';
import { Problem } from '../widgets/problem';
import { attach, chooseImages, dismissAttachment } from './disk-actions';
import { type Attachment, useDisks } from './disk-state';

/** Pasted paths that are seen at once; a one-line field would run their lines together. */
const LINES_SHOWN = 4;

/** The last part of a path. */
export function baseName(path: string): string {
  return path.replace(/\/+$/, '').split('/').at(-1) ?? path;
}

/** Typed or pasted paths may be quoted, or URLs as file managers copy them; one a line. */
export function pathsOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .map((line) => /^(["'])(.*)\1$/.exec(line)?.[2] ?? line)
    .map((line) => {
      if (!line.startsWith('file://')) return line;
      try {
        return decodeURIComponent(new URL(line).pathname);
      } catch {
        return line;
      }
    })
    .filter((line) => line !== '');
}

function titleOf({ path, error, isImage = true }: Attachment): string {
  const name = baseName(path);
  if (error?.code === 'CAPTURE_DAMAGED') return `${name} is damaged`;
  if (error?.code.startsWith('CAPTURE_') === true) return `${name} was not opened`;
  return isImage ? `${name} was not attached` : name;
}

function AttachmentItem({ attachment }: { readonly attachment: Attachment }) {
  const { id, path, readOnly, error, isImage = true } = attachment;
  // What is in a file is read again the same; what is in its way may have gone.
  const isCapture = error?.code.startsWith('CAPTURE_') === true;
  if (!error) {
    return (
      <div className="pending" data-testid="attach-pending" data-path={path} title={path}>
        <span className="spinner" aria-hidden="true" />
        Attaching {baseName(path)}…
      </div>
    );
  }
  return (
    <Problem title={titleOf(attachment)} error={error} testId="attach-problem" path={path}>
      {error.code === 'IMAGE_NOT_WRITABLE' && (
        <button type="button" className="button" onClick={() => void attach(path, true)}>
          Attach read-only
        </button>
      )}
      {isImage && !isCapture && (
        <button type="button" className="button" onClick={() => void attach(path, readOnly)}>
          Try again
        </button>
      )}
      <button type="button" className="button" onClick={() => dismissAttachment(id)}>
        Dismiss
      </button>
    </Problem>
  );
}

export function AttachForm() {
  const attachments = useDisks((state) => state.attachments);
  const isReadOnly = useDisks((state) => state.attachReadOnly);
  const route = useDisks((state) => state.attachRoute);
  const [text, setText] = useState('');
  const paths = pathsOf(text);
  return (
    <div className="attach">
      {attachments.length > 0 && (
        <div className="attachments">
          {attachments.map((attachment) => (
            <AttachmentItem key={attachment.id} attachment={attachment} />
          ))}
        </div>
      )}
      <form
        className="attach-form"
        onSubmit={(event) => {
          event.preventDefault();
          for (const path of paths) void attach(path, isReadOnly);
          setText('');
        }}
      >
        <div className="attach-title">
          <strong>Drop a disk image</strong>
          <span>
            or{' '}
            <button
              type="button"
              className="link"
              data-testid="attach-choose"
              onClick={() => void chooseImages()}
            >
              Choose…
            </button>{' '}
            <kbd>Ctrl O</kbd>
          </span>
        </div>
        <div className="attach-path">
          <textarea
            className="input"
            rows={Math.min(LINES_SHOWN, text.split('\n').length)}
            aria-label="Path of an image"
            placeholder="/path/of/an/image"
            data-testid="attach-path"
            spellCheck={false}
            autoComplete="off"
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Escape') setText('');
              if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
              event.preventDefault();
              event.currentTarget.form?.requestSubmit();
            }}
          />
          <button
            type="submit"
            className="button"
            data-testid="attach-submit"
            disabled={paths.length === 0}
          >
            Attach
          </button>
        </div>
        <label className="attach-switch">
          <Switch.Root
            className="switch"
            data-testid="attach-read-only"
            aria-label="Read-only"
            checked={isReadOnly}
            onCheckedChange={(attachReadOnly) => useDisks.setState({ attachReadOnly })}
          >
            <Switch.Thumb className="switch-thumb" />
          </Switch.Root>
          Read-only
        </label>
        <label className="attach-route">
          Route
          <select
            className="input"
            data-testid="attach-route"
            value={route}
            onChange={({ target }) => {
              const attachRoute = routeWishes.find((name) => name === target.value) ?? 'auto';
              useDisks.setState({ attachRoute });
            }}
          >
            {routeWishes.map((name) => (
              <option key={name} value={name}>
                {name === 'auto' ? 'the best that works' : name}
              </option>
            ))}
          </select>
        </label>
      </form>
    </div>
  );
}
