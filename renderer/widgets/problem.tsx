/** An error in its place: what happened, what to do, and buttons for that. */
import type { ReactNode } from 'react';
import type { ErrorValue } from '../../app/contract/errors';
import { Icon } from './icon';

export function Problem(props: {
  readonly title: string;
  readonly error: ErrorValue;
  readonly testId: string;
  readonly path?: string;
  readonly children?: ReactNode;
}) {
  const { title, error, testId, path, children } = props;
  return (
    <div
      className="problem"
      role="alert"
      data-testid={testId}
      data-code={error.code}
      data-path={path}
    >
      <div className="problem-title">
        <Icon name="warning" />
        <span>{title}</span>
        {error.errno !== null && <span className="problem-errno">{error.errno}</span>}
      </div>
      <p>{error.message}</p>
      {error.injected && <p className="dim">This fault was injected on purpose.</p>}
      {children !== undefined && <div className="problem-actions">{children}</div>}
    </div>
  );
}
