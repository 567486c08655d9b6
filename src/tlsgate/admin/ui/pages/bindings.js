import { element } from "../element.js"; export async function bindingsPage() { return element("p", "soon"); }
