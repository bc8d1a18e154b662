/** Loads the native addon; packaged, it lies beside the archive, since a library cannot be loaded from inside. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { NativeAddon } from '../addon/addon';

const path = join(__dirname, 'bioscope.node').replace('app.asar', 'app.asar.unpacked');

export const addon = createRequire(__filename)(path) as NativeAddon;
