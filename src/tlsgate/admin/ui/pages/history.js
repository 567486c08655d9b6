import { element } from "../element.js"; export async function historyPage() { return element("p", "soon"); }
