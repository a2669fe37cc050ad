// Give feedback on a number or arithmetic expression, as Exercise.check does; runs as `onsubmit`.
event.preventDefault();
const {expected,tolerance,success,mistakes}=JSON.parse(
new TextDecoder().decode(Uint8Array.from(atob(this.dataset.exercise),c=>c.charCodeAt(0))));
const text=this.elements[0].value.replace(/[_\s]/g,'')
.replace(/\b[1-9]\d{0,2}(,\d{3})+\b/g,grouped=>grouped.replaceAll(',',''));
const say=(sign,message)=>this.querySelector('output').textContent=`${sign} ${message}`.trim();
const near=(a,b)=>Math.abs(a-b)<=tolerance;
const general=x=>{ // as Python's format code .6g
const power=x&&Math.floor(Math.log10(Math.abs(+x.toPrecision(6))));
if(power>-5&&power<6)return String(+x.toPrecision(6));
return x.toExponential(5).replace(/\.?0*e([+-])(\d+)/,(_,sign,n)=>`e${sign}${n.padStart(2,0)}`)};
let value;
try{ // digits and operators only: nothing else is evaluated
if(/^([\d.+\-*/()]|e[+-]?\d)+$/.test(text))value=Function(`'use strict';return +(${text})`)()}catch{}
if(value===undefined)return say('…','Expected: a number, or arithmetic such as 3*(1-0.2)/4.');
if(near(value,expected))return say('✓ Right.',success);
const mistake=mistakes.find(([wrong])=>near(value,wrong));
say('✗ Not yet.',mistake?mistake[1]:
!isFinite(value)?`The answer is ${String(value).toLowerCase().replace('infinity','inf')}: the result of a division by zero or undefined.`:
expected>0&&expected<1&&near(value/100,expected)?'Correct as a percentage; give a fraction between 0 and 1.':
`${general(value)} is too ${value>expected?'large':'small'}.`)
