/** The pane on the right: the one request. */
import { Tabs } from 'radix-ui';
import { operationWord } from '../../app/contract/trace';
import { INSPECTOR_TAB_LIST_ID, useShell, type InspectorTab } from '../shell/shell-state';
import { useTraceView, type SelectedRequest } from '../trace/view-state';
import { Icon } from '../widgets/icon';
import { formatBytes, formatCount } from '../widgets/numbers';
import { PayloadView } from './payload';
import { RequestFields } from './request-fields';
import { Timing } from './timing';
import './inspector.css';

function Headline({ request }: { readonly request: SelectedRequest }) {
  const { operation, length, sector, sequence } = request.record;
  const { name, family } = operationWord(operation);
  const isListed = useTraceView((state) => state.selectedIsListed);
  return (
    <div className="headline">
      <strong className="data operation" data-family={family}>
        {name.toUpperCase()}
      </strong>{' '}
      {length > 0n && `${formatBytes(length)} at sector ${formatCount(sector)} · `}
      seq {formatCount(sequence)}
      {!isListed && <span className="badge">not in the table now</span>}
    </div>
  );
}

function NothingSelected() {
  return (
    <div className="inspector-empty">
      <h2>No request selected</h2>
      <p>
        Select one in the table to see each of its fields explained, where its time went, and the
        bytes it carried.
      </p>
      <ul className="keys">
        <li>
          <kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>Enter</kbd> opens
        </li>
        <li>
          <kbd>/</kbd> filter, <kbd>Space</kbd> pause, <kbd>Esc</kbd> back
        </li>
      </ul>
    </div>
  );
}

export function Inspector() {
  const request = useTraceView((state) => state.selected);
  const tab = useShell((state) => state.inspectorTab);
  const isNarrow = useShell((state) => state.isNarrow);
  const setInspectorOpen = useShell((state) => state.setInspectorOpen);
  return (
    <aside
      className="inspector"
      aria-label="Inspector"
      data-testid="inspector"
      data-sequence={request ? String(request.record.sequence) : ''}
    >
      <Tabs.Root
        className="inspector-tabs"
        value={tab}
        onValueChange={(value) => useShell.setState({ inspectorTab: value as InspectorTab })}
      >
        <div className="tab-bar">
          <Tabs.List id={INSPECTOR_TAB_LIST_ID} className="tab-list" aria-label="Inspector">
            <Tabs.Trigger className="tab" value="request">
              Request
            </Tabs.Trigger>
            <Tabs.Trigger className="tab" value="payload">
              Payload
            </Tabs.Trigger>
          </Tabs.List>
          {isNarrow && (
            <button
              type="button"
              className="icon-button"
              aria-label="Close the inspector"
              onClick={() => setInspectorOpen(false)}
            >
              <Icon name="close" />
            </button>
          )}
        </div>
        {request ? (
          <>
            <Headline request={request} />
            <Tabs.Content className="tab-content" value="request">
              <div className="request-part">
                <Timing record={request.record} />
                <RequestFields request={request} />
              </div>
              <PayloadView request={request} isWhole={false} />
            </Tabs.Content>
            <Tabs.Content className="tab-content" value="payload">
              <PayloadView request={request} isWhole />
            </Tabs.Content>
          </>
        ) : (
          <NothingSelected />
        )}
      </Tabs.Root>
    </aside>
  );
}
