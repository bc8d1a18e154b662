/** "This machine": which routes work here, what is in the way of the others, and what mends it. */
import { Dialog } from 'radix-ui';
import { useEffect, useState } from 'react';
import type { Machine, MachineCheck, MachineRoute } from '../../app/contract/machine';
import { toErrorValue, type ErrorValue } from '../../app/contract/errors';
import { CommandLine, CopyButton } from '../widgets/copy';
import { Icon } from '../widgets/icon';
import { Problem } from '../widgets/problem';
import { bridge } from './bridge';
import { useShell } from './shell-state';

type Answer = { readonly machine: Machine } | { readonly error: ErrorValue } | null;

const words = { ok: 'ok', missing: 'missing', advice: 'advice' } as const;

function RouteLine({ route }: { readonly route: MachineRoute }) {
  const { name, available, preferred, explanation } = route;
  return (
    <li
      className="machine-route"
      data-testid="machine-route"
      data-route={name}
      data-available={available}
    >
      <strong>{name}</strong>{' '}
      <span className={available ? 'badge' : 'badge failed'}>
        {preferred ? 'works, preferred' : available ? 'works' : 'does not work'}
      </span>
      <p>{explanation}</p>
    </li>
  );
}

function CheckLine({ check }: { readonly check: MachineCheck }) {
  const { id, title, finding, detail, remedy, routes } = check;
  return (
    <li
      className="machine-check"
      data-testid="machine-check"
      data-check={id}
      data-finding={finding}
    >
      <div>
        {finding !== 'ok' && <Icon name="warning" />}
        <strong>{title}</strong>{' '}
        <span className={finding === 'missing' ? 'badge failed' : 'badge'}>{words[finding]}</span>{' '}
        <span className="dim">{routes.join(', ')}</span>
      </div>
      <p>{detail}</p>
      {remedy.map((command) => (
        <CommandLine key={command} command={command} />
      ))}
      {remedy.length > 1 && (
        <p className="dim">
          All of it: <CopyButton text={remedy.join(' && ')} label={`Copy all: ${title}`} />
        </p>
      )}
    </li>
  );
}

function Findings({ machine }: { readonly machine: Machine }) {
  // What can be mended first.
  const order = { missing: 0, advice: 1, ok: 2 };
  const checks = [...machine.checks].sort((a, b) => order[a.finding] - order[b.finding]);
  return (
    <>
      <ul className="machine-routes">
        {machine.routes.map((route) => (
          <RouteLine key={route.name} route={route} />
        ))}
      </ul>
      <ul className="machine-checks">
        {checks.map((check) => (
          <CheckLine key={check.id} check={check} />
        ))}
      </ul>
    </>
  );
}

function Body() {
  const [answer, setAnswer] = useState<Answer>(null);
  const [look, setLook] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    const tell = (next: Answer) => {
      if (isCurrent) setAnswer(next);
    };
    bridge.invoke('machine.probe', {}).then(
      (result) => tell(result.ok ? { machine: result.value } : { error: result.error }),
      (thrown: unknown) => tell({ error: toErrorValue(thrown) }),
    );
    return () => {
      isCurrent = false;
    };
  }, [look]);
  return (
    <div className="machine-body">
      {answer === null && <p className="dim">Looking…</p>}
      {answer && 'error' in answer && (
        <Problem title="The daemon cannot say" error={answer.error} testId="machine-problem" />
      )}
      {answer && 'machine' in answer && <Findings machine={answer.machine} />}
      <button type="button" className="button" onClick={() => setLook((count) => count + 1)}>
        Look again
      </button>
    </div>
  );
}

export function ThisMachine() {
  const isOpen = useShell((state) => state.isMachineOpen);
  return (
    // Not modal: that would put a style element into the page, which its policy forbids.
    <Dialog.Root
      modal={false}
      open={isOpen}
      onOpenChange={(isMachineOpen) => useShell.setState({ isMachineOpen })}
    >
      <Dialog.Portal>
        <div className="dialog-shade" />
        <Dialog.Content className="dialog" data-testid="this-machine" aria-describedby={undefined}>
          <header className="dialog-head">
            <Dialog.Title className="dialog-title">This machine</Dialog.Title>
            <Dialog.Close className="button">Close</Dialog.Close>
          </header>
          <Body />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
