/** dm-user targets, asked of the helper. */
import {
  BIOSCOPE_HELPER_DEFERRED,
  BIOSCOPE_HELPER_DISCARDS,
  BIOSCOPE_HELPER_FOREIGN_LIST,
  BIOSCOPE_HELPER_FOREIGN_OPEN,
  BIOSCOPE_HELPER_MODULE_LOAD,
  BIOSCOPE_HELPER_NO_FLUSH,
  BIOSCOPE_HELPER_READ_ONLY,
  BIOSCOPE_HELPER_REPLY_LIVE,
  BIOSCOPE_HELPER_REPLY_READ_ONLY,
  BIOSCOPE_HELPER_REPLY_SUSPENDED,
  BIOSCOPE_HELPER_TARGET_ABORT,
  BIOSCOPE_HELPER_TARGET_CREATE,
  BIOSCOPE_HELPER_TARGET_LIST,
  BIOSCOPE_HELPER_TARGET_OPEN,
  BIOSCOPE_HELPER_TARGET_RELOAD,
  BIOSCOPE_HELPER_TARGET_REMOVE,
  BIOSCOPE_HELPER_TARGET_RESUME,
  BIOSCOPE_HELPER_TARGET_STATUS,
  BIOSCOPE_HELPER_TARGET_SUSPEND,
  BIOSCOPE_HELPER_WRITE_ZEROES,
} from '../contract/wire.gen';
import type { HelperClient } from './helper-client';
import type { HelperReply } from './helper-frames';
import type { TargetOptions, TargetState, TargetVerbs } from './targets';

/** The helpers of the three groups of verbs about targets. */
export interface TargetHelpers {
  readonly module: HelperClient;
  readonly targets: HelperClient;
  readonly adopt: HelperClient;
}

export function helperTargets({ module, targets, adopt }: TargetHelpers): TargetVerbs {
  const about = async (verb: number, name: string, flags = 0): Promise<void> => {
    await targets.request({ verb, name, flags });
  };
  const table = ({ tag, sectors, readOnly, discards, writeZeroes }: TargetOptions) => ({
    name: tag,
    sectors,
    flags:
      (readOnly ? BIOSCOPE_HELPER_READ_ONLY : 0) |
      (discards ? BIOSCOPE_HELPER_DISCARDS : 0) |
      (writeZeroes ? BIOSCOPE_HELPER_WRITE_ZEROES : 0),
  });
  return {
    async loadModule() {
      await module.request({ verb: BIOSCOPE_HELPER_MODULE_LOAD });
    },
    async create(options) {
      const request = { verb: BIOSCOPE_HELPER_TARGET_CREATE, ...table(options) };
      return stateOf(await targets.request(request));
    },
    async openChannels({ tag, count }) {
      const request = { verb: BIOSCOPE_HELPER_TARGET_OPEN, name: tag, count };
      return [...(await targets.request(request)).descriptors];
    },
    suspend: ({ tag, noFlush }) =>
      about(BIOSCOPE_HELPER_TARGET_SUSPEND, tag, noFlush ? BIOSCOPE_HELPER_NO_FLUSH : 0),
    resume: (tag) => about(BIOSCOPE_HELPER_TARGET_RESUME, tag),
    async reload(options) {
      await targets.request({ verb: BIOSCOPE_HELPER_TARGET_RELOAD, ...table(options) });
    },
    async abort(tag) {
      await targets.request({ verb: BIOSCOPE_HELPER_TARGET_ABORT, name: tag }, true);
    },
    async status(tag) {
      try {
        return stateOf(await targets.request({ verb: BIOSCOPE_HELPER_TARGET_STATUS, name: tag }));
      } catch (thrown) {
        if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENXIO') return null;
        throw thrown;
      }
    },
    remove: ({ tag, deferred }) =>
      about(BIOSCOPE_HELPER_TARGET_REMOVE, tag, deferred ? BIOSCOPE_HELPER_DEFERRED : 0),
    async list() {
      return (await targets.requestList({ verb: BIOSCOPE_HELPER_TARGET_LIST })).map(stateOf);
    },
    async listForeign() {
      return (await adopt.requestList({ verb: BIOSCOPE_HELPER_FOREIGN_LIST })).map(stateOf);
    },
    async openForeign({ name, count }) {
      const reply = await adopt.request({ verb: BIOSCOPE_HELPER_FOREIGN_OPEN, name, count });
      return [...reply.descriptors];
    },
    close() {
      for (const helper of [module, targets, adopt]) helper.close();
    },
  };
}

function stateOf(reply: HelperReply): TargetState {
  return {
    tag: reply.name,
    device: `/dev/dm-${reply.minor}`,
    sectors: reply.sectors,
    readOnly: (reply.flags & BIOSCOPE_HELPER_REPLY_READ_ONLY) !== 0,
    openCount: reply.count,
    suspended: (reply.flags & BIOSCOPE_HELPER_REPLY_SUSPENDED) !== 0,
    live: (reply.flags & BIOSCOPE_HELPER_REPLY_LIVE) !== 0,
    status: reply.text,
  };
}
