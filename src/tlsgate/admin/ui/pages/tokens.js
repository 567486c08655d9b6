import { element } from "../element.js"; export async function tokensPage() { return element("p", "soon"); }
