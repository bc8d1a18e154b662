/**
 * zod, told to compile nothing: by default it makes its parsers with
 * `new Function`, which the window's content security policy refuses (and
 * reports). The contract's messages are few and small.
 */
import { z } from 'zod';

z.config({ jitless: true });

export { z };
